"""Further metrics of words: a file here is a metric of the collapse probe, named like the file.

A module has DEFINITION, a sentence that says what the value is, its unit and which direction is
better, and `value(documents) -> float`. `documents` is a random sample of a cell's responses, as
many from every cell, each a list of its first tokens (words and punctuation marks), equally many
of all. ValueError says that there is no value, and why.
"""
