"""Plans and results as their files hold them, read strictly: what is not as it must be is refused in a sentence."""
