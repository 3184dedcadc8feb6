"""Pure metrics: texts, arrays or rows in, a Measurement out. No models, no study."""
