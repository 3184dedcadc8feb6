"""The product against plain tools, on a real instruction-tuned model: `make test-real`."""
