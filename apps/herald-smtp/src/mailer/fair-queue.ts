/** A bounded queue in which every lane gets its turn, however long another one is. */
export type FairQueue<T> = {
  /** Puts the item last in its lane. When the queue is full, returns the item that has to go: the last of the longest lane. */
  push(lane: string, item: T): T | undefined
  /** Takes the first item of the lane whose turn it is. */
  shift(): T | undefined
  remove(lane: string, item: T): void
  size(): number
}

/** Lanes take turns in the order in which they came; inside a lane the first come is the first served. */
export function createFairQueue<T>(options: { sizeMax: number }): FairQueue<T> {
  const lanes = new Map<string, T[]>()
  let size = 0

  function longest(): [string, T[]] | undefined {
    let found: [string, T[]] | undefined
    for (const entry of lanes) if (entry[1].length > (found?.[1].length ?? 0)) found = entry
    return found
  }

  function take(lane: string, items: T[], at: number): T | undefined {
    const [item] = items.splice(at, 1)
    if (items.length === 0) lanes.delete(lane)
    size -= 1
    return item
  }

  function append(lane: string, item: T): void {
    const items = lanes.get(lane)
    if (items) items.push(item)
    else lanes.set(lane, [item])
    size += 1
  }

  return {
    push(lane, item) {
      if (size < options.sizeMax) {
        append(lane, item)
        return undefined
      }
      const [name, items] = longest() ?? []
      const own = lanes.get(lane)?.length ?? 0
      if (name === undefined || items === undefined || items.length <= own + 1) return item
      const displaced = take(name, items, -1)
      append(lane, item)
      return displaced
    },
    shift() {
      const [next] = lanes
      if (next === undefined) return undefined
      const [lane, items] = next
      const item = take(lane, items, 0)
      // To the end of the round.
      if (lanes.delete(lane)) lanes.set(lane, items)
      return item
    },
    remove(lane, item) {
      const items = lanes.get(lane)
      const at = items?.indexOf(item) ?? -1
      if (items && at >= 0) take(lane, items, at)
    },
    size: () => size,
  }
}
