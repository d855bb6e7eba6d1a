/* The claims of one memory (idem/detail/dedup/claim_book.hpp and engine.hpp): three workers, two keys, a table of two
 * entries that are used again, two claims a worker.
 *
 * Each call is one step, since it is made under the lock of its shard (word_lock.pml). Between claim and the end of the
 * claim anything happens: its lease runs out, another worker takes over, the entry is freed and used for another key.
 * A worker commits, gives its claim back, or never comes back.
 *
 * Claimed: a claim is granted to a key that is not done and has no owner within a lease; a commit is accepted from the
 * owner and from nobody else, and records the key that the owner worked on; a key is recorded once; `full` comes at the
 * claim alone; when all have ended, the entries left are those of workers that never came back.
 * Planted: PLANT_SLOT_REUSE   a ticket is known by its entry alone, not by its token
 *          PLANT_NO_LOCK      looking for the key and granting the claim are two steps
 *          PLANT_KEEPS_ENTRY  a claim that is given back keeps its entry
 *          PLANT_LATE_COMMIT  a takeover leaves the old token in place
 */

#define WORKERS 3
#define KEYS 2
#define ENTRIES 2
#define ROUNDS 2

#define none 255

typedef Entry {
  byte key;   /* 0: free */
  byte token;
  bool over   /* the lease has run out */
};

Entry table[ENTRIES];
byte next_token = 1;
byte recorded[KEYS + 1];

/* What the claims are judged by; no part of the protocol. */
byte owner[KEYS + 1];  /* the token that was granted last and has not ended; 0: none */
bool in_lease[KEYS + 1];
byte finished = 0;

inline find(k, result) {
  if
  :: table[0].key == k -> result = 0
  :: table[0].key != k && table[1].key == k -> result = 1
  :: else -> result = none
  fi
}

inline grant(n, k, token) {
  assert(!in_lease[k]);
  assert(recorded[k] == 0);
  token = next_token;
  next_token++;
  table[n].key = k;
#ifdef PLANT_LATE_COMMIT
  if
  :: table[n].token == 0 -> table[n].token = token
  :: else -> token = table[n].token
  fi;
#else
  table[n].token = token;
#endif
  table[n].over = false;
  owner[k] = next_token - 1;
  mine = owner[k];
  in_lease[k] = true
}

inline close(n) {
  table[n].key = 0;
  table[n].token = 0;
  table[n].over = false
}

#ifdef PLANT_SLOT_REUSE
#define OWNS(n, token) (table[n].key != 0)
#else
#define OWNS(n, token) (table[n].token == token)
#endif

#ifdef PLANT_NO_LOCK
#define LOCKED_CLAIM
#else
#define LOCKED_CLAIM atomic
#endif

proctype Worker() {
  byte round = 0;
  byte key, number, token, mine;
  do
  :: round == ROUNDS -> break
  :: else ->
     LOCKED_CLAIM {
       round++;
       if
       :: key = 1
       :: key = 2
       fi;
       find(key, number);
       if
       :: number != none && table[number].over ->
          atomic { grant(number, key, token) }    /* a takeover */
       :: number != none && !table[number].over -> skip     /* in_progress */
       :: number == none && recorded[key] != 0 -> skip      /* duplicate */
       :: number == none && recorded[key] == 0 ->
          find(0, number);
          if
          :: number == none -> skip                         /* full */
          :: else -> atomic { grant(number, key, token) }
          fi
       fi
     };
     if
     :: token == 0 -> skip
     :: token != 0 ->
        if
        :: atomic {                                         /* commit */
             true;
             if
             :: OWNS(number, token) ->
                assert(owner[key] == mine);
                assert(table[number].key == key);
                recorded[table[number].key]++;
                assert(recorded[key] == 1);
                owner[key] = 0;
                in_lease[key] = false;
                close(number)
             :: else -> assert(owner[key] != mine)          /* fenced */
             fi
           }
        :: atomic {                                         /* abort */
             true;
             if
             :: OWNS(number, token) ->
                assert(owner[key] == mine);
                owner[key] = 0;
                in_lease[key] = false;
#ifndef PLANT_KEEPS_ENTRY
                close(number)
#endif
             :: else -> assert(owner[key] != mine)
             fi
           }
        :: break                                            /* never comes back */
        fi
     fi;
     d_step { key = 0; number = 0; token = 0; mine = 0 }    /* fewer states that differ in nothing */
  od;
  atomic { key = 0; number = 0; token = 0; mine = 0; round = 0 };
  finished++
}

/* Any lease may run out at any time. */
active proctype Time() {
end:
  do
  :: atomic { table[0].key != 0 && !table[0].over -> table[0].over = true; in_lease[table[0].key] = false }
  :: atomic { table[1].key != 0 && !table[1].over -> table[1].over = true; in_lease[table[1].key] = false }
  od
}

init {
  atomic {
    run Worker();
    run Worker();
    run Worker()
  };
  /* An entry is in use if and only if its key has an owner: one who never came back. */
  atomic {
    finished == WORKERS ->
    assert((table[0].key != 0 -> owner[table[0].key] != 0 : true));
    assert((table[1].key != 0 -> owner[table[1].key] != 0 : true));
    assert(table[0].key == 0 || table[0].key != table[1].key)
  }
}
