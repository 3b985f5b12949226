import { describe, expect, it } from 'vitest'
import { isOnReadOnlyMount } from './mounts.ts'

const mountinfo = [
  '1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '2 1 0:5 / /etc/keys ro,relatime - tmpfs tmpfs rw',
  '3 1 0:6 / /mnt/with\\040blank rw - iso9660 /dev/sr0 ro',
  '4 1 0:7 / /covered ro - tmpfs tmpfs rw',
  '5 1 0:8 / /covered rw - tmpfs tmpfs rw',
  '',
].join('\n')

describe('isOnReadOnlyMount', () => {
  it.each([
    ['/etc/keys/api', true],
    ['/etc/keys/..data/api', true],
    ['/mnt/with blank/key', true],
    ['/etc/keystore/api', false],
    ['/home/key', false],
    ['/covered/key', false],
  ])('says of %s: %s', (path, expected) => {
    expect(isOnReadOnlyMount(path, mountinfo)).toBe(expected)
  })

  it('calls nothing read-only on a system without the table', () => {
    expect(isOnReadOnlyMount('/etc/keys/api', '')).toBe(false)
  })
})
