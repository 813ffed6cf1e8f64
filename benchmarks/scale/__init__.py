"""Searching large catalogues: does a million items take longer than a hundred thousand, and is as much found?"""
