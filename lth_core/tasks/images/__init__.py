"""Image classification: pictures drawn on this machine, of files, or of the hub; made once, mapped into memory."""
