"""The peer of the LSTM benchmarks: the loop that is usually written, in torch's own defaults. None of our code."""

import torch
from torch import nn


def plain_lstm(width, layers, words, batch, window, *, device="cpu", clip=None, bfloat16=False):
    """A call that makes a step and says how many words it predicted."""

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Embedding(words, width)
            self.rnn = nn.LSTM(width, width, layers, dropout=0.5)
            self.decoder = nn.Linear(width, words)

        def forward(self, tokens, hidden):
            output, hidden = self.rnn(self.encoder(tokens), hidden)
            return self.decoder(output).view(-1, words), hidden

    model, criterion = Model().to(device), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-3)
    data = torch.randint(words, (100 * window + 1, batch), device=device)
    state = {"hidden": None, "place": 0}

    def step():
        first = state["place"] * window % (len(data) - window - 1)
        tokens, targets = data[first : first + window], data[first + 1 : first + window + 1].view(-1)
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            scores, hidden = model(tokens, state["hidden"])
            loss = criterion(scores, targets)
        state["hidden"] = tuple(part.detach() for part in hidden)
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        state["place"] += 1
        return batch * window

    return step
