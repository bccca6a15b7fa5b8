"""The claims of the paper: how each check is judged, and the page that tells what came of them."""
