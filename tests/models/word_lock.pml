/* idem/detail/dedup/word_lock.hpp: three threads, each locks and unlocks twice.
 *
 * One step is one operation on the word; std::atomic::wait looks and falls asleep in one step, as
 * futex(2) does, may wake for no reason, and looks again when woken. Steps are sequentially consistent: that acquire and
 * release suffice is argued in the header, not here.
 *
 * Claimed: never two threads inside (assert); no thread sleeps for ever (no invalid end state).
 * Planted: PLANT_LOAD_THEN_STORE   the word is looked at and then written: two inside
 *          PLANT_WAKES_AS_LOCKED   who wakes takes the word as `locked`, forgetting the other sleepers: one sleeps for ever
 *          PLANT_LOOKS_THEN_SLEEPS wait() does not look again before it falls asleep: a lost wake-up
 */

#define THREADS 3
#define ROUNDS 2

#define open 0
#define locked 1
#define awaited 2

byte word = open;
byte inside = 0;
bool asleep[THREADS];

proctype Thread(byte me) {
  byte round = 0;
  byte old;
  byte taken_as = awaited;
#ifdef PLANT_WAKES_AS_LOCKED
  taken_as = locked;
#endif
  do
  :: round == ROUNDS -> break
  :: else ->
#ifdef PLANT_LOAD_THEN_STORE
     old = word;
     if
     :: old == open -> word = locked; goto critical
     :: else -> skip
     fi;
#else
     /* lock(): compare_exchange */
     atomic {
       if
       :: word == open -> word = locked; goto critical
       :: else -> skip
       fi
     };
#endif
     /* wait_for_it(): any number of turns of the spin, each a load and then a compare_exchange */
     do
     :: break
     :: word == open ->
        atomic {
          if
          :: word == open -> word = locked; goto critical
          :: else -> skip
          fi
        }
     od;
     /* while (word_.exchange(awaited) != open) word_.wait(awaited); */
     atomic { old = word; word = awaited };
     do
     :: old == open -> break
     :: else ->
#ifdef PLANT_LOOKS_THEN_SLEEPS
        if
        :: word == awaited -> asleep[me] = true
        :: else -> skip
        fi;
#else
        atomic {
          if
          :: word == awaited -> asleep[me] = true
          :: else -> skip
          fi
        };
#endif
        !asleep[me];
        atomic { old = word; word = taken_as }
     od;
critical:
     inside++;
     assert(inside == 1);
     inside--;
     /* unlock() */
     atomic { old = word; word = open };
     if
     :: old == awaited ->
        /* notify_one(): one of the sleepers, if there is one */
        atomic {
          if
          :: asleep[0] -> asleep[0] = false
          :: asleep[1] -> asleep[1] = false
          :: asleep[2] -> asleep[2] = false
          :: else -> skip
          fi
        }
     :: else -> skip
     fi;
     round++
  od
}

init {
  atomic {
    run Thread(0);
    run Thread(1);
    run Thread(2)
  }
}
