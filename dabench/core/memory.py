"""Memory that is free on the device or the host."""

import psutil


def free_bytes() -> int:
    """Free bytes on the first device; on the host where the device does not report any."""
    import jax

    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    return psutil.virtual_memory().available
