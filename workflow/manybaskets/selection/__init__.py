"""Selection rules, verifiers, and how good a verifier is."""
