"""The name that the installed transformers gives to the cache of keys and values.

Up to 5.23, models take and return it as `past_key_values`. From 5.24 on it is `cache`; the old name warns, and version
5.40 takes it away.
"""

from __future__ import annotations

from dataclasses import fields

from transformers.modeling_outputs import BaseModelOutputWithPast

CACHE_ARGUMENT = (
    "cache" if "cache" in {field.name for field in fields(BaseModelOutputWithPast)} else "past_key_values"
)
"""The keyword of a forward pass, and the attribute of its output."""
