"""What several tests share: servers, worlds, folders."""
