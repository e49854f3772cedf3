"""Reports of weather services as tables of values, with no interpolation.

igra     station files of IGRA v2, as text      reports   levels of reports as rows of a table
bufr     TEMP and SYNOP in BUFR, by pdbufr      table     files in, a table out, with an account
"""
