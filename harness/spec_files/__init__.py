"""From a spec file to its cases: YAML, keys, tools, conversations and expectations."""
