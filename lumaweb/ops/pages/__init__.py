"""Pages of the settings area about the installation: they show what the operator's commands do."""
