"""The atlas file: members, manifest, arrays, graphs."""
