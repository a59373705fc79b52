"""The optimal assignment of calls to expectations."""

from __future__ import annotations

from collections.abc import Sequence


def cheapest(costs: Sequence[Sequence[float]]) -> list[int]:
    """For each row of a square matrix its column, each used once, at the least total cost.

    Shortest augmenting paths over dual prices, O(n³): R. Jonker, A. Volgenant, A shortest
    augmenting path algorithm for dense and sparse linear assignment problems, 1987.
    """
    n = len(costs)
    row_price, column_price = [0.0] * n, [0.0] * (n + 1)
    row_of = [-1] * (n + 1)  # column n is the virtual one that a path starts from
    for row in range(n):
        row_of[n], column = row, n
        reach, came_from, done = [float("inf")] * n, [n] * n, [False] * (n + 1)
        while row_of[column] != -1:
            done[column] = True
            here = row_of[column]
            for j in range(n):
                slack = costs[here][j] - row_price[here] - column_price[j]
                if not done[j] and slack < reach[j]:
                    reach[j], came_from[j] = slack, column
            following = min((j for j in range(n) if not done[j]), key=reach.__getitem__)
            step = reach[following]
            for j in range(n + 1):
                if done[j]:
                    row_price[row_of[j]] += step
                    column_price[j] -= step
                elif j < n:
                    reach[j] -= step
            column = following
        while column != n:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    columns = [0] * n
    for j in range(n):
        columns[row_of[j]] = j
    return columns
