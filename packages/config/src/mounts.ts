/** Whether the innermost mount of Linux's mountinfo table that holds the path is read-only. */
export function isOnReadOnlyMount(realPath: string, mountinfo: string): boolean {
  let innermost = { point: '', readOnly: false }
  for (const line of mountinfo.split('\n')) {
    const mount = parseMount(line)
    const holds =
      mount.point !== '' && `${realPath}/`.startsWith(mount.point === '/' ? '/' : `${mount.point}/`)
    // Of two mounts on one point the later line covers the earlier one.
    if (holds && mount.point.length >= innermost.point.length) innermost = mount
  }
  return innermost.readOnly
}

function parseMount(line: string): { point: string; readOnly: boolean } {
  const [mountFields = '', superFields = ''] = line.split(' - ')
  const [, , , , point = '', options = ''] = mountFields.split(' ')
  const [, , superOptions = ''] = superFields.split(' ')
  return {
    point: point.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    ),
    readOnly: options.split(',').includes('ro') || superOptions.split(',').includes('ro'),
  }
}
