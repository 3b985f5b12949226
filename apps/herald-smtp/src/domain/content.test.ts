import { describe, expect, it } from 'vitest'
import { chooseContent, namesUnknownTemplate } from './content.ts'

describe('chooseContent', () => {
  it('takes the body before params.code, params.code before the fixed sentence', () => {
    const params = { code: '482913' }
    expect(chooseContent({ body: 'Only this.', params }).text).toBe('Only this.')
    expect(chooseContent({ params }).text).toBe('Your verification code is: 482913')
    expect(chooseContent({ body: '', params: { code: '' } }).text).toBe(
      'You have a verification message. Please check your code.',
    )
  })

  it('has a subject of its own for a request without one', () => {
    expect(chooseContent({}).subject).toBe('Verification code')
    expect(chooseContent({ subject: '' }).subject).toBe('Verification code')
    expect(chooseContent({ subject: 'Login' }).subject).toBe('Login')
  })

  it('counts a template as unknown only where the mail would have come from it', () => {
    expect(namesUnknownTemplate({ template: 'otp' })).toBe(true)
    expect(namesUnknownTemplate({ template: 'otp', body: 'x' })).toBe(false)
    expect(namesUnknownTemplate({})).toBe(false)
  })
})
