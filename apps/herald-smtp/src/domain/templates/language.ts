export type Language = { lang: string; dir: 'ltr' | 'rtl' }

/** The canonical tag (RFC 5646 4.5), also of the form with underscores; undefined for what is none. */
export function canonicalTag(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return Intl.getCanonicalLocales(text.replaceAll('_', '-'))[0]
  } catch {
    return undefined
  }
}

/** Ever shorter ranges until one is offered (RFC 4647 3.4); ranges are compared without regard to case. */
export function lookUp<T>(tag: string, offered: ReadonlyMap<string, T>): T | undefined {
  for (let range = tag.toLowerCase(); range !== ''; range = shorten(range)) {
    const found = offered.get(range)
    if (found !== undefined) return found
  }
  return undefined
}

/** Without its last subtag, nor the single letter that this may leave at the end. */
function shorten(range: string): string {
  return range.replace(/(^|-)[^-]*$/, '').replace(/-[^-]$/, '')
}

/** Language and direction of a text in that locale; undefined where the tag does not tell. */
export function languageOf(tag: string | undefined): Language | undefined {
  if (tag === undefined) return undefined
  return { lang: tag, dir: new Intl.Locale(tag).getTextInfo().direction ?? 'ltr' }
}
