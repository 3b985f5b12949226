import { openUnnamed } from './sqlite-unnamed.ts'

const database = openUnnamed(0)
database.exec('PRAGMA cache_size = -512; CREATE TABLE things (thing TEXT NOT NULL) STRICT')
const insert = database.prepare('INSERT INTO things SELECT hex(randomblob(500))')
const count = database.prepare('SELECT count(*) AS things FROM things')

/** How many things its disk took. */
function fill(): number {
  for (let taken = 0; ; taken += 1) {
    try {
      insert.run()
    } catch {
      return taken
    }
  }
}

/** Meets a full disk twice, and makes room in between. */
const taken = fill()
const kept = count.get()?.['things']
database.exec('DELETE FROM things')
process.stdout.write(JSON.stringify({ taken, kept, takenAgain: fill() }))
