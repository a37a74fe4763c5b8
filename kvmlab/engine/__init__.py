"""How it works: the model of KVM's interrupt path. Pure, deterministic, without I/O."""
