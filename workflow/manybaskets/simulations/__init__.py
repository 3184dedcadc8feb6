"""Studies without a language model: Gaussian mixture, self-consuming loops, eigenvalues."""
