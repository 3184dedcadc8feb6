"""Loading, chat encoding, architectures, pretraining, likelihoods and n-gram baselines."""
