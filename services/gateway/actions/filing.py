"""分類と簿冊: the file plan and its folders."""

from __future__ import annotations

from kanketsu.documents.v1 import documents_service_pb2 as pb
from services.gateway.actions.answer import Answer, page_of
from services.gateway.callers import Caller
from services.gateway.clients import Clients
from services.gateway.views import filing as views


async def classes(clients: Clients, caller: Caller) -> Answer:
    """ファイル基準表: the common classes and those of the caller's units."""
    rpc = clients.documents.rpc
    answer = await clients.documents.ask(rpc.ListClasses, pb.ListClassesRequest(), caller)
    return page_of((views.document_class(one) for one in answer.classes), "", answer.access_record)


async def folders(clients: Clients, caller: Caller, *, fiscal_year: int = 0, class_code: str = "") -> Answer:
    """簿冊 of the caller's units; 0 is every year."""
    rpc = clients.documents.rpc
    request = pb.ListFoldersRequest(fiscal_year=fiscal_year, class_code=class_code)
    answer = await clients.documents.ask(rpc.ListFolders, request, caller)
    return page_of((views.folder(one) for one in answer.folders), "", answer.access_record)


async def create_folder(
    clients: Clients,
    caller: Caller,
    *,
    unit_id: str,
    fiscal_year: int,
    class_code: str,
    name: str,
    request_id: str,
) -> Answer:
    """A new folder; its retention is that of the class."""
    rpc = clients.documents.rpc
    request = pb.CreateFolderRequest(
        request_id=request_id, unit_id=unit_id, fiscal_year=fiscal_year, class_code=class_code, name=name
    )
    answer = await clients.documents.ask(rpc.CreateFolder, request, caller)
    return Answer(views.folder(answer.folder))
