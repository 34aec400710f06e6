"""The settings area: pages about the member and, for admins, about the installation."""
