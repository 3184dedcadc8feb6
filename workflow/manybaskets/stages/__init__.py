"""One object per workflow step: inputs, outputs, spec, device, priority and cost."""
