"""Who uses the VM: its file, the userspace process, the guest."""
