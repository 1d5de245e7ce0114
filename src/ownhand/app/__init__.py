"""The web page: `ownhand app`. Needs Gradio (the `app` extra)."""
