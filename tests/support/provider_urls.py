"""URLs that requests to the provider contain."""

START, END = "https://cdn.acedata.cloud/r9vsv9.png", "https://cdn.acedata.cloud/0iad3k.png"

CALLBACK = "https://videos.example.com/callbacks/luma/0b7f/key/"
