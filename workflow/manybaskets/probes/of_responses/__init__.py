"""Probes that measure the responses of a cell, one file each.

A file defines PROBE, a `probes.probe.Probe`, and its metrics. A study turns it on by the name of
the file: `probes: {my-probe: {}}`.
"""
