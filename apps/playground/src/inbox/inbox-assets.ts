/** Served as /inbox.css. */
export const inboxStyle = `
:root { color-scheme: light dark; --ground: #f6f6f4; --card: #fff; --ink: #1c1d1f; --faint: #66696f; --line: #dcdcd8; --accent: #0b57d0 }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16171a; --card: #1f2125; --ink: #e9e9ea; --faint: #9a9da3; --line: #34373d; --accent: #8ab4f8 }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 46rem; padding: 2rem 1rem 4rem; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.35rem }
h2 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere }
p { margin: .25rem 0 }
a { color: var(--accent) }
.faint { color: var(--faint); font-size: .875rem; overflow-wrap: anywhere }
article { margin-top: 1rem; padding: 1rem 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: .6rem }
body.wide { max-width: 76rem }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; color: var(--faint) }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1rem }
iframe { width: 100%; height: 27rem; border: 1px solid var(--line); border-radius: .6rem; background: #fff }
pre { margin: .75rem 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 1rem/1.5 ui-monospace, monospace }
`

/** Served as /inbox.js: reloads when new mail came, so that text being copied stays selected until then. */
export const inboxScript = `
const shown = document.body.dataset.newest
setInterval(async () => {
  const response = await fetch('/api/messages').catch(() => undefined)
  const newest = response?.ok ? (await response.json()).messages[0]?.id ?? '' : shown
  if (newest !== shown) location.reload()
}, 1500)
`
