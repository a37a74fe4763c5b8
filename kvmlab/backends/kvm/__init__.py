"""A virtual machine of /dev/kvm behind the Backend protocol."""
