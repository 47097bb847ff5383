"""What the image is made of, and how that is known: licences, list of parts, advisories, images by digest."""
