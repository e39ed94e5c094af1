"""`ser serve`: trained heads over HTTP, and a page that listens to the browser's microphone.

- `options`: where it listens, and its limits
- `running`: from the command line to a server that listens, and its end
- `web`: what there is at which address
- `command`: what the command line needs before it
- `guard`: who may ask: the token, and no web page but our own
- `receiving`: the body of a request -> a file, within the limits
- `refused`: what a client is told that is turned away; `logs`: one line a request
- `answering`: that file -> the answer as JSON
- `desk`: how many may ask at once
- `waiting`: the queue of waveforms, and the thread that predicts those that wait together
- `listening`: a microphone, over a WebSocket
- `heads`: which heads there are, loaded in the background
- `connections`: patience with slow clients
- `static/`: the page; plain HTML, CSS and JavaScript

Needs the optional packages of `serve`, which `web`, `running` and `connections` import.
"""
