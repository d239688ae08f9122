def test_x(world):
    import sys
    print([m for m in sys.modules if 'conftest' in m], __name__)
    t=world.thread()
    print(t.invoke("crm.create_task", {"deal_id":"42","subject":"Call Anna Kowalska"}))
    print(t.invoke("crm.read_deal", {"deal_id":"42"}))
    r=t.invoke("crm.set_stage", {"deal_id":"42","stage":"won"})
    print(r)
    print(t.resume(r.approval_id,"approve",by=world.boss))
    print(world.kinds(t), t.calls)
    print(world.desk.effects)
