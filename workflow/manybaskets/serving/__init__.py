"""vLLM servers, OpenAI-compatible endpoints, and a client for both."""
