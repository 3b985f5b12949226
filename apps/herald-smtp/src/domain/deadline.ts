/** What the promise gives within `milliseconds`, else `late`; the promise itself runs on. */
export function unlessLate<T, L>(promise: Promise<T>, milliseconds: number, late: L): Promise<T | L> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.max(milliseconds, 0), late)
    void promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** Resolves after that time. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds)
  })
}

const againMs = 250

/** Tries again, and again for so many milliseconds, until it works; never rejects. */
export async function persist(work: () => Promise<unknown>, milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds
  let works = false
  while (!works && performance.now() < until) {
    await pause(againMs)
    works = await work().then(
      () => true,
      () => false,
    )
  }
}
