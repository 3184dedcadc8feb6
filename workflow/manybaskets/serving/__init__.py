"""The vLLM server, its client, and endpoints of others."""
