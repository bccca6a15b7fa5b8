"""What a chapter's cell needs beside figures: short live trainings, photographs, rounded facts."""
