"""Getting what is not shipped: GenCast's weights, its statistics, frames of ERA5.

cache      where files are kept              download   one file, resumable and verified
weights    the official files                era5       frames of an archive, one at a time
progress   what a terminal shows of it
"""
