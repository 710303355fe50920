"""CustomResourceDefinitions: from a stored definition to served resources, and back to nothing."""
