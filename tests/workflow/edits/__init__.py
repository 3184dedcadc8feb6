"""Edits of finished studies, and the jobs that each of them must run again."""
