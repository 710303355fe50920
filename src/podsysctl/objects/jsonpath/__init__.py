"""kubectl's JSONPath: templates of `-o jsonpath`, expressions of custom columns, printer columns and `wait`.

`parse` reads a template, `relaxed` an expression that may lack its braces; the `Template` finds and prints.
"""

from podsysctl.objects.jsonpath.evaluation import Template, parse, relaxed
from podsysctl.objects.jsonpath.parsing import JsonPathError

__all__ = ["JsonPathError", "Template", "parse", "relaxed"]
