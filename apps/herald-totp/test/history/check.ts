/** One call of a client: what it asked, when, and what it heard. */
export type Entry<Call> = {
  client: string
  call: Call
  /** Places in the one order of all that was sent and heard. */
  invoked: number
  /** Without an outcome: from here on nothing of the call can be under way any more. */
  returned: number
  /** Undefined when nothing, or only a fault, was heard: the call took effect once before `returned`, or never. */
  outcome?: string
}

export type Model<State, Call> = {
  initial: State
  apply: (state: State, call: Call) => { outcome: string; state: State }
}

export type Violation<State, Call> = {
  /** The only state that the part before `entries` can have left. */
  before: State
  /** What cannot be explained from there; the last one is where every explanation ends. */
  entries: readonly Entry<Call>[]
  /** Where the subject may have been, by what was heard up to then. */
  possible: readonly State[]
}

/** One explanation of the history so far: a state, and the calls under way that have not taken effect in it. */
type Explanation<State> = { state: State; open: readonly number[] }

/**
 * Searches an order of the calls that has each of them between its two places, and in which a program that does one after the
 * other would have given the same answers (linearizability). After each answer all explanations are kept that still hold:
 * calls are put in order no earlier than an answer demands it, and equal explanations are followed once. Gives the first answer
 * that ends all of them.
 */
export function findViolation<State, Call>(
  history: readonly Entry<Call>[],
  model: Model<State, Call>,
): Violation<State, Call> | undefined {
  const { begin, settle } = createSearch(history, model)
  let explanations: readonly Explanation<State>[] = [{ state: model.initial, open: [] }]
  let before = model.initial
  let begun: number[] = []
  let underWay = 0
  for (const { entry, isAnswer } of eventsOf(history)) {
    if (!isAnswer) {
      underWay++
      begun.push(entry)
      explanations = explanations.map((explanation) => begin(explanation, entry))
      continue
    }
    underWay--
    const after = settle(explanations, entry)
    if (after.length === 0) {
      const entries = [...begun.filter((other) => other !== entry), entry].map((index) => history[index]!)
      return { before, entries, possible: explanations.map(({ state }) => state) }
    }
    explanations = after
    if (underWay === 0 && after.length === 1) [before, begun] = [after[0]!.state, []]
  }
  return undefined
}

function eventsOf<Call>(history: readonly Entry<Call>[]) {
  return history
    .flatMap(({ invoked, returned }, entry) => [
      { at: invoked, entry, isAnswer: false },
      { at: returned, entry, isAnswer: true },
    ])
    .toSorted((one, other) => one.at - other.at)
}

function createSearch<State, Call>(history: readonly Entry<Call>[], { apply }: Model<State, Call>) {
  /** Puts in order at once what gave its answer here and changed nothing: no explanation is the worse for it. */
  function absorb({ state, open }: Explanation<State>): Explanation<State> {
    const isLeft = (entry: number) => {
      const { call, outcome } = history[entry]!
      const result = apply(state, call)
      return result.outcome !== outcome || result.state !== state
    }
    return { state, open: open.filter(isLeft) }
  }

  /** With one more call in order: one that gave this very answer, or one that nothing was heard of and that changes something. */
  function continuations(explanation: Explanation<State>): Explanation<State>[] {
    return explanation.open.flatMap((entry) => {
      const { call, outcome } = history[entry]!
      const result = apply(explanation.state, call)
      if (outcome === undefined ? result.state === explanation.state : result.outcome !== outcome) return []
      return [absorb({ ...without(explanation, entry), state: result.state })]
    })
  }

  /** All explanations in which the call has found its place, or never will when nothing was heard of it. */
  function settle(explanations: readonly Explanation<State>[], answered: number): Explanation<State>[] {
    const found = new Map<string, Explanation<State>>()
    const seen = new Set<string>()
    const toFollow = [...explanations]
    for (let next = toFollow.pop(); next !== undefined; next = toFollow.pop()) {
      const key = JSON.stringify(next)
      if (seen.has(key)) continue
      seen.add(key)
      if (!next.open.includes(answered)) {
        found.set(key, next)
        continue
      }
      if (history[answered]!.outcome === undefined) toFollow.push(without(next, answered))
      toFollow.push(...continuations(next))
    }
    return [...found.values()]
  }

  return {
    begin: ({ state, open }: Explanation<State>, entry: number) => absorb({ state, open: [...open, entry] }),
    settle,
  }
}

function without<State>({ state, open }: Explanation<State>, entry: number): Explanation<State> {
  return { state, open: open.filter((other) => other !== entry) }
}

/**
 * Leaves out what is not needed for the violation. Only calls that `isIdle` vouches for may go: without a call that changed
 * nothing there is less to explain, so what still cannot be explained could not be explained before.
 */
export function shrink<State, Call>(
  violation: Violation<State, Call>,
  model: Model<State, Call>,
  isIdle: (call: Call, outcome: string) => boolean,
): Violation<State, Call> {
  const from = { ...model, initial: violation.before }
  const canGo = violation.entries.filter(
    ({ call, outcome }) => outcome !== undefined && isIdle(call, outcome),
  )
  const without = (gone: readonly Entry<Call>[]) =>
    findViolation(
      violation.entries.filter((entry) => !gone.includes(entry)),
      from,
    )
  const found = without(canGo)
  if (found) return found
  const gone: Entry<Call>[] = []
  for (const entry of canGo) if (without([...gone, entry])) gone.push(entry)
  return without(gone) ?? violation
}
