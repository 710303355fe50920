"""Custom types: a CustomResourceDefinition's openAPIV3Schema made into a `Schema`, and objects held to it.

`problems` judges the schema itself when a definition is written; `build` makes the `Schema`; `prune`,
`apply_defaults` and `validate` are what the server does to custom objects on every write. CEL rules
(`x-kubernetes-validations`) are refused with the definition, so that no rule is ever silently not enforced.
"""

from podsysctl.objects.structural.build import build
from podsysctl.objects.structural.defaulting import apply_defaults, drop_nulls
from podsysctl.objects.structural.definition import problems
from podsysctl.objects.structural.pruning import prune
from podsysctl.objects.structural.validation import validate

__all__ = ["apply_defaults", "build", "drop_nulls", "problems", "prune", "validate"]
