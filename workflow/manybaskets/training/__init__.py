"""Fine-tuning: batches, the LoRA trainer, and training on several devices."""
