"""Loading, chat encoding, architectures, pretraining and n-gram baselines."""
