"""Helpers that several test files share: servers, constructed judges, folders."""
