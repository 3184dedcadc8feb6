"""LoRA fine-tuning: batches, the trainer, and training on several devices."""
